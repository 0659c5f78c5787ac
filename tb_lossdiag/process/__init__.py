"""What the system does to the process: forks, signals, warnings that are errors."""
