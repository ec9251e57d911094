"""The same job in other libraries, each a program of its own in an environment of its own."""
