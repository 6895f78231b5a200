"""The files of the data sets that have a name: where they are found, and their checksums.

They are looked for in a folder, or else downloaded to the user's cache, once.
"""

import hashlib
import tarfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from models.errors import Failure


@dataclass(frozen=True)
class Source:
    """A file: its name, and the MD5 of its content, or else of the official gzipped file."""

    file: str
    content_md5: str | None
    gzip_md5: str | None = None


FILES = {
    "mnist": {
        "train": Source("train-images-idx3-ubyte", "6bbc9ace898e44ae57da46a324031adb",
                        "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        "train_labels": Source("train-labels-idx1-ubyte", "a25bea736e30d166cdddb491f175f624",
                               "d53e105ee54ea40749a09fcbcd1e9432"),
        "test": Source("t10k-images-idx3-ubyte", "2646ac647ad5339dbf082846283269ea",
                       "9fb629c4189551a2d022fa330f9573f3"),
        "test_labels": Source("t10k-labels-idx1-ubyte", "27ae3e4e09519cfbb04c329615203637",
                              "ec29112dd5afa0611ce80d1b7f02629c"),
    },
    "fashion-mnist": {  # only the checksums of the gzipped files are published
        "train": Source("train-images-idx3-ubyte", None, "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        "train_labels": Source("train-labels-idx1-ubyte", None, "25c81989df183df01b3e8a0aad5dffbe"),
        "test": Source("t10k-images-idx3-ubyte", None, "bef4ecab320f06d8554ea6380940ec79"),
        "test_labels": Source("t10k-labels-idx1-ubyte", None, "bb300cfdad3c16e7a12a480ee83cd310"),
    },
    "binarized-mnist": {  # the checksums are of the pixels, packed by np.packbits
        "train": Source("binarized_mnist_train.amat", "309a57a5f57edf7dfa1a0d2118daedf9"),
        "test": Source("binarized_mnist_test.amat", "50aa7f0ccbdaba86f6a8aeabd1fecfed"),
    },
    "cifar10": {  # the binary version: the other two are pickles, which may run code, and MATLAB's
        "archive": Source("cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530"),
    },
    "svhn": {
        "train": Source("train_32x32.mat", "e26dedcc434d2e4c54c9b2d4a06d8373"),
        "test": Source("test_32x32.mat", "eb5a983be6a315427106f1b164d9cef3"),
    },
}  # fmt: skip
MIRRORS = {
    "mnist": "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "fashion-mnist": "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "binarized-mnist": "http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/",
    "cifar10": "https://www.cs.toronto.edu/~kriz/",
    "svhn": "http://ufldl.stanford.edu/housenumbers/",
}
READ_ERRORS = (
    ValueError,
    LookupError,
    OSError,
    EOFError,
    tarfile.TarError,
    zlib.error,
    zipfile.BadZipFile,
)


def find(name: str, file: str, folder: Path | None) -> Path | None:
    """`file`, gzipped or not, in `folder`; None if no folder is given, or if an .npz is absent."""
    if folder is None:
        return None
    folders = [folder, folder / name, folder / name.replace("-", "_")]
    zipped = file.endswith((".gz", ".mat", ".npz"))  # already
    ends = ("",) if zipped else ("", ".gz")
    candidates = [place / f"{file}{end}" for place in folders for end in ends]
    found = next((path for path in candidates if path.is_file()), None)
    if found is None and not file.endswith(".npz"):
        raise Failure(
            f"no {file}{'' if zipped else f' (or {file}.gz)'} in {folder} or {folder / name}; "
            "name the folder that has it, or leave out --data-dir to download it"
        )
    return found


def download(name: str, file: str, md5: str | None) -> Path:
    import pooch

    pooch.get_logger().setLevel("WARNING")  # there is a progress bar
    try:
        path = pooch.retrieve(
            MIRRORS[name] + file,
            known_hash=f"md5:{md5}" if md5 else None,
            fname=file,
            path=pooch.os_cache("chainrule") / name,
            progressbar=True,
        )
        return Path(path)
    except (OSError, ValueError) as error:  # no connection, a full disk, a wrong checksum
        line = str(error).splitlines()[0]
        reason = line if len(line) < 100 else type(error).__name__
        raise Failure(
            f"could not download {MIRRORS[name]}{file} ({reason}); "
            "put the file in a folder, and name the folder with --data-dir"
        ) from error


def check_md5(path: Path, content: bytes, expected: str | None) -> None:
    if expected and expected != (found := hashlib.md5(content).hexdigest()):
        raise Failure(
            f"{path} has checksum {found}, not {expected}: it is damaged or another data set's; "
            "name another folder, or download the file again"
        )
