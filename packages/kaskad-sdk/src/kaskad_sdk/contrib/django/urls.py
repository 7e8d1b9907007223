"""The page's endpoints, for ``path("auth/otp/", include("kaskad_sdk.contrib.django.urls"))``.

Without the slash at the end of that path they answer with and without one.
"""

from django.urls import re_path

from kaskad_sdk.contrib.django.views import endpoints

app_name = "kaskad"
urlpatterns = [re_path(r"^(?P<rest>.*)$", endpoints, name="endpoints")]
