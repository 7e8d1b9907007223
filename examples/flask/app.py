"""Log in with a phone number, on Flask."""

import os
from pathlib import Path

from flask import Flask, Response, jsonify, request, send_file

from kaskad_sdk import OtpClient, OtpException
from kaskad_sdk.contrib.flask import kaskad_blueprint

otp = OtpClient(
    api_url=os.environ["KASKAD_URL"], api_token=os.environ["KASKAD_TOKEN"], language="en"
)
app = Flask(__name__)
app.register_blueprint(kaskad_blueprint(otp), url_prefix="/auth/otp")


@app.post("/login")
def login() -> tuple[Response, int]:
    given = request.get_json()
    try:
        verdict = otp.check_status_and_complete(given["requestId"], given["recipient"])
    except OtpException as refusal:
        return jsonify(message=refusal.message), refusal.http_status or 503
    except (KeyError, TypeError):
        return jsonify(message="requestId and recipient are needed"), 400
    if not verdict.success:
        return jsonify(message="not verified"), 403
    return jsonify(phone=given["recipient"]), 200  # it is theirs: begin their session here


@app.get("/")
def page() -> Response:
    return send_file(Path(__file__).parents[1] / "page" / "index.html")
