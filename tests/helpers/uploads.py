"""Uploads as the application takes them in."""

import shutil


def send_file(service, path, name, **noted):
    """The job of a file that a client sends under a name; the file itself stays."""
    with service.uploads.admit(name, path.stat().st_size) as arrival:
        shutil.copyfile(path, arrival.path)
        return service.uploads.upload(arrival, **noted)
