"""What the whole-program suites share: namespaces, agents, the RPC's MessagePack, closing lines."""
