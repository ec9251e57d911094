"""What a hook delivery is made of: who is told, what is said, how it is signed and sent, and what an answer means."""
