"""Closing the books of a day: Alipay's bills are fetched, read, compared with ours, and what differs gets a person."""
