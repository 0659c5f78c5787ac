"""What the system does to the process: forks, signals, warnings that are errors; and where it lets us keep something.

In reading order:

- `forks`: which side of a fork this is: a child has copies of everything that its parent had, but none of its threads
- `sigterm`: SIGTERM (a scheduler's last word before SIGKILL): open writers write what they have
- `caches`: where this user's system keeps what programs can make again
- `origin`: where a training comes from: its command line, without secrets, and the commit of its code
- `job`: which job of a scheduler it belongs to, by the variables that it sets
- `warn`: tells the user something that must not end the training
"""
