"""What a hook delivery is made of: who gets it, what it says, how it is signed and sent, and what an answer means."""
