// www.gstatic.com/recaptcha/releases/.../recaptcha__en.js
(() => {
  const settings = window.___grecaptcha_cfg;
  const keys = settings.render.filter((each) => each !== "explicit");
  let drawn = 0;
  let started = false;

  function frame(path, host, tell) {
    const frame = document.createElement("iframe");
    frame.title = "reCAPTCHA";
    frame.src = `https://www.google.com/recaptcha/api2/${path}`;
    addEventListener("message", ({ source, data }) => {
      if (source === frame.contentWindow) tell(data, frame);
    });
    host.append(frame);
  }

  grecaptcha.render = (host, wish) => {
    if (!host?.isConnected) throw new Error("reCAPTCHA container must be an element or id");
    if (host.childNodes.length) throw new Error("reCAPTCHA placeholder element must be empty");
    if (!wish.sitekey) throw new Error("Missing required parameters: sitekey");
    frame(`anchor?k=${wish.sitekey}`, host, ({ event, token }) => {
      if (event === "solved") wish.callback?.(token);
      if (event === "failed") wish["error-callback"]?.();
      if (event === "expired") wish["expired-callback"]?.();
    });
    return drawn++;
  };

  grecaptcha.execute = (key, { action = "" } = {}) => {
    if (!started || !keys.includes(key))
      throw new Error(`Invalid site key or not loaded in api.js: ${key}`);
    if (!/^[A-Za-z/_]*$/.test(action)) throw new Error(`Invalid action name: ${action}`);
    return new Promise((resolve, reject) => {
      frame(`score?k=${key}&action=${action}`, document.body, ({ event, token }, unseen) => {
        unseen.remove();
        if (event === "solved") resolve(token);
        else reject(null);
      });
    });
  };

  // Keys are known a little later than the functions.
  setTimeout(() => {
    started = true;
    grecaptcha.ready = (call) => call();
    for (const call of settings.fns ?? []) call();
  }, 100);
})();
