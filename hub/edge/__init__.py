"""From the wire to a handler, and back: sockets, their order and limits, tokens, dispatch, fan-out."""
