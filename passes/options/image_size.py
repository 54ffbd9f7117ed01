"""The size of images as users write it."""


def size_of(text: str) -> tuple[int, int]:
    """Height and width.

    Raises:
        ValueError: the text has another form.
    """
    height, _, width = text.lower().partition("x")
    if not (height.isdecimal() and width.isdecimal() and int(height) and int(width)):
        message = f"'{text}' is not a size; write HEIGHTxWIDTH, e.g. 224x224"
        raise ValueError(message)
    return int(height), int(width)
