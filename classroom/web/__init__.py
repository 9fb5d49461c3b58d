"""The doors of the server: pages, API, WHIP, WHEP, the control WebSocket, recordings (docs/protocol.md)."""
