"""What a rule is, and the engine that runs rules and folds what they found."""
