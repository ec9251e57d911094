"""What is followed: files that grow, mailboxes, and what has to be asked again and again."""
