"""An optimizer's steps, through its public hooks."""
