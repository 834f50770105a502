"""A TCP proxy that passes bytes on as they are, late, slowly, in part, or not at all, as the test says while it runs."""
import socket
import threading
import time

from .diversion import Diversion, reset, shut

PIECE = 16384


class FaultProxy(Diversion):
    def __init__(self, pid, port, address=None):
        self.delay = 0.0  # s, before each piece goes on
        self.rate = None  # bytes a second and direction
        self.cut_after = None  # bytes of an answer; then the connection ends
        self.cut_by_reset = False
        self.instead = None  # function(socket): answers in place of the other end
        self.passing = threading.Event()
        self.passing.set()
        self.passed = 0
        super().__init__(pid, port, address)

    # -- what the test says --

    def hang(self):
        """Nothing is passed on, and nobody is told."""
        self.passing.clear()

    def refuse(self):
        """Nobody listens any more, and what stands ends."""
        self.stop_listening()
        self.break_connections()

    def heal(self):
        """Passes on again."""
        self.delay, self.rate, self.cut_after, self.instead = 0.0, None, None, None
        self.passing.set()
        if self.listener.fileno() < 0:
            self.listener = self.inside(self.listen, self.port)
            self.start_accepting()

    def close(self):
        self.passing.set()
        super().close()

    # -- connections --

    def serve(self, client):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.instead:
            self.instead(client)
            return
        server = self.upstream(client)
        back = threading.Thread(target=self.pump, args=(server, client, True), daemon=True)
        back.start()
        self.pump(client, server, False)
        back.join()
        self.drop(server)

    def pump(self, source, target, is_answer):
        total = 0
        try:
            while True:
                piece = source.recv(PIECE if self.rate is None else min(PIECE, max(1, int(self.rate / 10))))
                self.passing.wait()
                if not piece:
                    break
                if self.delay:
                    time.sleep(self.delay)
                if self.rate:
                    time.sleep(len(piece) / self.rate)
                cut = self.cut_after
                if is_answer and cut is not None and total + len(piece) >= cut:
                    target.sendall(piece[:max(0, cut - total)])
                    if self.cut_by_reset:
                        reset(target)
                    break
                target.sendall(piece)
                total += len(piece)
                with self.lock:
                    self.passed += len(piece)
        except OSError:
            pass
        finally:
            shut(source)
            if self.cut_by_reset:
                target.close()
            else:
                shut(target)
