"""Gateway: the one local URL through which a company's services reach Cloud Elements."""

__version__ = "0.1.0"
