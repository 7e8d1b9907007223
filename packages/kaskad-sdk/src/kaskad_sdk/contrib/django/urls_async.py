"""The page's endpoints under an ASGI server; everything else as in :mod:`.urls`."""

from django.urls import re_path

from kaskad_sdk.contrib.django.views import endpoints_async

app_name = "kaskad"
urlpatterns = [re_path(r"^(?P<rest>.*)$", endpoints_async, name="endpoints")]
