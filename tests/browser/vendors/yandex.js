// smartcaptcha.yandexcloud.net/captcha.js: errors are not among the wishes, but events of their own.
(() => {
  const drawn = new Map();

  window.smartCaptcha = {
    render(host, { sitekey, callback, hl }) {
      if (!host?.isConnected) throw new Error("SmartCaptcha: no container");
      if (!sitekey) throw new Error("SmartCaptcha: no sitekey");
      const id = drawn.size;
      const frame = document.createElement("iframe");
      frame.title = "SmartCaptcha";
      frame.src = `https://smartcaptcha.yandexcloud.net/checkbox?sitekey=${sitekey}&hl=${hl}`;
      const heard = { frame, listeners: [] };
      drawn.set(id, heard);
      const names = { solved: "success", failed: "network-error", expired: "token-expired" };
      addEventListener("message", ({ source, data: { event, token } }) => {
        if (source !== frame.contentWindow) return;
        if (event === "solved") callback?.(token);
        for (const [name, call] of heard.listeners) if (name === names[event]) call(token);
      });
      host.append(frame);
      return id;
    },
    subscribe(id, name, call) {
      const { listeners } = drawn.get(id);
      listeners.push([name, call]);
      return () => listeners.splice(listeners.findIndex(([, each]) => each === call), 1);
    },
    destroy(id) {
      drawn.get(id).frame.remove();
    },
  };
})();
