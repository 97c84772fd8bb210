"""The proofs: `make simulate`, `chaos`, `guards`, `refund-race`. Each ends with a line that says what was found."""
