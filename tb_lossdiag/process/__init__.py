"""What the system does to the process: forks, signals, warnings that are errors.

In reading order:

- `forks`: which side of a fork this is: a child has copies of everything that its parent had, but none of its threads
- `sigterm`: SIGTERM (a scheduler's last word before SIGKILL): open writers write what they have
- `warn`: tells the user something that must not end the training
"""
