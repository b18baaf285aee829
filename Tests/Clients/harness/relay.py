"""A TCP relay that counts what goes through it: whether a client or a server really compresses."""

from __future__ import annotations

import contextlib
import socket
import threading


class Relay:
    """Takes connections on `address` and carries their bytes to a server and back."""

    def __init__(self, server: str):
        host, port = server.rsplit(":", 1)
        self._server = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self._listener.getsockname()[1]
        self.sent = self.received = 0
        self._sockets = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                self._sockets += [client, server]
                for source, target, name in ((client, server, "sent"), (server, client, "received")):
                    threading.Thread(target=self._carry, args=(source, target, name), daemon=True).start()

    def _carry(self, source, target, name):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                # One thread alone changes each of the two while there is one connection.
                setattr(self, name, getattr(self, name) + len(data))
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.close()
        for each in self._sockets:
            each.close()
