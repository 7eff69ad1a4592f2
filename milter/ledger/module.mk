# ledger: the index over journal and books; uses base
