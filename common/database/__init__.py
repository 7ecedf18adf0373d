"""How to reach PostgreSQL: addresses, connections, the named statements, and the migrations of the schema."""
