"""How a message looks at each destination, a module each."""
