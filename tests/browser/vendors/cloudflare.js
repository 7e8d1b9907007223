// challenges.cloudflare.com/turnstile/v0/api.js?render=explicit
(() => {
  const drawn = new Map();
  let last = 0;

  window.turnstile = {
    render(host, wish) {
      if (!host?.isConnected) throw new Error("[Cloudflare Turnstile] Could not find container.");
      if (typeof wish.sitekey !== "string") throw new Error("[Cloudflare Turnstile] No sitekey.");
      const { action = "", language } = wish;
      if (!/^[a-z0-9_-]{0,32}$/i.test(action))
        throw new Error("[Cloudflare Turnstile] Invalid action.");
      const id = `cf-chl-widget-${last++}`;
      const frame = document.createElement("iframe");
      frame.title = "Turnstile";
      const base = "https://challenges.cloudflare.com/cdn-cgi/challenge-platform";
      frame.src = `${base}/x?k=${wish.sitekey}&action=${action}&lang=${language}`;
      addEventListener("message", ({ source, data: { event, token } }) => {
        if (source !== frame.contentWindow) return;
        if (event === "solved") wish.callback?.(token);
        if (event === "expired") wish["timeout-callback"]?.();
        if (event !== "failed") return;
        if (!wish["error-callback"]) throw new Error("[Cloudflare Turnstile] Error: 300010.");
        if (!wish["error-callback"]("300010"))
          console.warn("[Cloudflare Turnstile] Error: 300010.");
        // It tries again by itself, and complains when its place has gone.
        setTimeout(() => {
          if (drawn.has(id) && !frame.isConnected)
            console.warn(`[Cloudflare Turnstile] Cannot find Widget ${id}.`);
        }, 50);
      });
      drawn.set(id, frame);
      host.append(frame);
      return id;
    },
    remove(id) {
      drawn.get(id)?.remove();
      drawn.delete(id);
    },
  };
})();
