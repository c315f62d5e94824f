"""A store in memory, which tests of tasks fill with sources of their own."""

import hashlib


class Memory:
    """Keeps what a task keeps, by the name that a store on disk would give it; what it opens is for the test to say."""

    def __init__(self):
        self.files = {}

    def keep(self, data, suffix):
        path = hashlib.sha256(data).hexdigest() + suffix
        self.files[path] = data
        return path

    def bytes(self, path):
        return self.files[path]
