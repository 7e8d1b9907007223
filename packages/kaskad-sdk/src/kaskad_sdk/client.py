"""The clients: one that awaits, one that blocks, alike in everything else."""

from kaskad_sdk._async_client import AsyncOtpClient
from kaskad_sdk._sync_client import OtpClient

__all__ = ["AsyncOtpClient", "OtpClient"]
