"""The page's endpoints in a Django project, and the client that its settings describe.

.. code-block:: python

    INSTALLED_APPS = [..., "kaskad_sdk.contrib.django"]
    KASKAD = {"API_URL": "https://otp.example.com", "API_TOKEN": os.environ["KASKAD_TOKEN"]}

    urlpatterns = [path("auth/otp/", include("kaskad_sdk.contrib.django.urls"))]

Keys of ``KASKAD``: ``API_URL``, ``API_TOKEN``, and, where they are wanted, ``CAPTCHA``,
``ENVIRONMENT``, ``LANGUAGE``, ``TRUSTED_PROXIES``, ``GET_CLIENT_IP`` and ``OFFER_COMPLETION``.
``manage.py check`` says what is wrong with them. Under ASGI include
``kaskad_sdk.contrib.django.urls_async``: there a held call costs no thread, and ends when its
client leaves.
"""

from importlib.util import find_spec

if find_spec("django") is None:
    raise ImportError("kaskad_sdk.contrib.django needs Django")

from kaskad_sdk.contrib.django.clients import async_otp_client, otp_client

__all__ = ["async_otp_client", "otp_client"]
