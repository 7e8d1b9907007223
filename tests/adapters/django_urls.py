"""The URLs of the Django project in :mod:`tests.adapters.backends`."""

from django.urls import include, path

urlpatterns = [
    path("auth/otp", include("kaskad_sdk.contrib.django.urls")),
    path("async/otp", include("kaskad_sdk.contrib.django.urls_async", namespace="kaskad_async")),
]
