"""When a run makes its pictures, so that they take no more time than the training."""

import time

FIRST_PICTURES_SECONDS = 5.0  # expected, until pictures have been made


class PictureSchedule:
    """When a run makes its pictures before its end, where it always does unless `when` is "no".

    `when` is a number of epochs; "end"; or "auto", as often as takes no longer than the training.
    """

    def __init__(self, when: str | int):
        self.when = when
        self.started = time.perf_counter()
        self.expected = FIRST_PICTURES_SECONDS
        self.spent = 0.0

    def due(self, epoch: int, printed: bool) -> bool:
        if isinstance(self.when, int):
            return epoch % self.when == 0
        trained = time.perf_counter() - self.started - self.spent
        return self.when == "auto" and printed and trained > self.spent + 2 * self.expected

    def record(self, seconds: float) -> None:
        self.expected = seconds
        self.spent += seconds
