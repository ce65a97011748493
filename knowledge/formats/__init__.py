"""Documents in other formats than text, read in a child process with limits."""
