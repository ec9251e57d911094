"""Mailboxes as sources: folders on an IMAP server and Maildirs, read without changing anything in them."""
