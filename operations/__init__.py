"""What an operator runs against a stack, local or on AWS."""
