"""What can be derived of a run's tables; rules, reports and charts share it."""
