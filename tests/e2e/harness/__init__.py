"""What the end-to-end tests share. Everything here sees the system from outside: HTTP, state.json, /proc, cgroups."""
