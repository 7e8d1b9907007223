// www.google.com/recaptcha/api.js: a small script that loads the large one, and keeps who waits for it.
(() => {
  const me = document.currentScript;
  const wish = new URL(me.src).searchParams;
  const settings = (window.___grecaptcha_cfg ||= {});
  (settings.render ||= []).push(wish.get("render"));
  window.grecaptcha ||= {};
  grecaptcha.ready ||= (call) => (settings.fns ||= []).push(call);
  const rest = document.createElement("script");
  rest.async = true;
  rest.src = `https://www.gstatic.com/recaptcha/releases/x1/recaptcha__${wish.get("hl")}.js`;
  const withNonce = document.querySelector("script[nonce]");
  if (withNonce) rest.setAttribute("nonce", withNonce.nonce || withNonce.getAttribute("nonce"));
  me.parentNode.insertBefore(rest, me);
})();
