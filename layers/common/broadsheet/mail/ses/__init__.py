"""All of SES: the client, sending, what SES's answers say, and the account."""
