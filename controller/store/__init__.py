"""What is durable: the ledger, the logged inputs, verification."""
