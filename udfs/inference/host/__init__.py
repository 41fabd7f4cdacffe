"""Models that stay: one process per device and executor owns them, and every task of the executor asks it."""
