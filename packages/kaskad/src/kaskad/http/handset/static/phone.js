/**
 * <kaskad-phone>: a phone that shows what the simulator delivered, live.
 *
 * Attributes
 *   recipient   absent: messages of all numbers; empty: none yet; E.164: that number only
 *   source      where the handset's calls live (default "/handset")
 *   lang        "en" or "ru"; absent: the browser's
 *   full-bleed  no frame around the screen at phone width
 * Property
 *   filter      E.164 or null: hides the other numbers without a new connection
 * Events (bubbling)
 *   phone-message   a message arrived just now; detail = the message, its text as the phone shows it
 *   phone-recipients  the set of numbers seen changed; detail = list of E.164
 *
 * Each message is an <article data-message-id data-type data-state>; its buttons carry data-action.
 * Whatever a message says is inserted as text nodes, never as markup.
 */

const TEXT = {
  en: {
    phone: "Phone", messages: "Messages", to: "to {number}", allNumbers: "All numbers",
    waitTitle: "Nothing here yet", waitText: "Send a code, and it arrives here a moment later.",
    noneTitle: "No number yet", noneText: "Enter a phone number and send a code. This phone will receive it.",
    otherTitle: "Nothing for this number", otherText: "Send a code to {number}, or choose all numbers.",
    lost: "Connection lost. Reconnecting…", back: "Connected again",
    copy: "Copy code", copied: "Copied", newest: "New message",
    incoming: "Incoming call", missed: "Missed call", answered: "Answered call",
    answer: "Answer", hangUp: "Decline call", callBack: "Listen",
    flashHint: "No need to answer: the code is the last {n} digits",
    confirm: "Confirm", decline: "Decline", confirmed: "Confirmed", declined: "Declined",
    gone: "This request is no longer waiting for an answer.", failed: "The answer did not get through. Try again.",
    ownCode: "{code} is your verification code.", ownQuestion: "Confirm that this phone is yours?",
    says: "{label}: {text}", callFrom: "{label}, incoming call from {number}",
    sms: "SMS", voice: "Voice call", flashcall: "Flash call", telegramcode: "Telegram", whatsapp: "WhatsApp",
    viber: "Viber", vk: "VK", sim_push: "SIM push",
  },
  ru: {
    phone: "Телефон", messages: "Сообщения", to: "на {number}", allNumbers: "Все номера",
    waitTitle: "Пока пусто", waitText: "Отправьте код, и через мгновение он появится здесь.",
    noneTitle: "Номера пока нет", noneText: "Введите номер телефона и отправьте код: он придёт на этот телефон.",
    otherTitle: "Для этого номера ничего нет", otherText: "Отправьте код на {number} или выберите все номера.",
    lost: "Связь потеряна. Подключаемся…", back: "Снова на связи",
    copy: "Скопировать код", copied: "Скопировано", newest: "Новое сообщение",
    incoming: "Входящий звонок", missed: "Пропущенный звонок", answered: "Принятый звонок",
    answer: "Ответить", hangUp: "Сбросить звонок", callBack: "Прослушать",
    flashHint: "Отвечать не нужно: код — последние цифры номера ({n})",
    confirm: "Подтвердить", decline: "Отклонить", confirmed: "Подтверждено", declined: "Отклонено",
    gone: "Этот запрос больше не ждёт ответа.", failed: "Ответ не дошёл. Попробуйте ещё раз.",
    ownCode: "{code} — ваш код подтверждения.", ownQuestion: "Подтвердить, что это ваш телефон?",
    says: "{label}: {text}", callFrom: "{label}, входящий звонок с номера {number}",
    sms: "SMS", voice: "Голосовой звонок", flashcall: "Звонок-сброс", telegramcode: "Telegram", whatsapp: "WhatsApp",
    viber: "Viber", vk: "VK", sim_push: "SIM-push",
  },
};

const FRESH_MS = 20_000;
const RING_MS = { flashcall: 7_000, voice: 25_000 };
const KEEP = 300;
const RETRY_MS = 3_000;

/** "ru" or "en", from the browser's first language. */
export function language() {
  return (navigator.language || "en").toLowerCase().startsWith("ru") ? "ru" : "en";
}

/** "+79001234567" -> "+7 900 123-45-67"; numbers of other shapes come back unchanged. */
export function formatNumber(number) {
  const ru = /^\+7(\d{3})(\d{3})(\d{2})(\d{2})$/.exec(number ?? "");
  if (ru) return `+7 ${ru[1]} ${ru[2]}-${ru[3]}-${ru[4]}`;
  const us = /^\+1(\d{3})(\d{3})(\d{4})$/.exec(number ?? "");
  return us ? `+1 ${us[1]} ${us[2]}-${us[3]}` : number ?? "";
}

/** Splits [before, code, after] around the code in a text; separators between its digits are allowed. */
function aroundCode(text, code, { atEnd = false } = {}) {
  if (!code) return [text, "", ""];
  const digits = [...code].map((c) => c.replace(/[^\p{L}\p{N}]/u, "\\$&")).join("[\\s.,-]*");
  const hit = new RegExp(atEnd ? `${digits}$` : digits, "u").exec(text);
  if (!hit) return [text, "", ""];
  return [text.slice(0, hit.index), hit[0], text.slice(hit.index + hit[0].length)];
}

function fill(text, values = {}) {
  return text.replace(/\{(\w+)\}/g, (_, key) => values[key] ?? "");
}

function el(tag, { text, ...attributes } = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  if (text !== undefined) node.textContent = text;
  node.append(...children.filter(Boolean));
  return node;
}

const SHAPES = {
  text: ["M5 5h14a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2h-8l-5 4v-4H5a2 2 0 0 1-2-2V7a2 2 0 0 1 2-2z"],
  chat: ["M12 4a8 8 0 0 1 0 16 8.6 8.6 0 0 1-3.6-.8L4 20.5l1.2-4.1A8 8 0 0 1 12 4z"],
  call: ["M5 3h3l2 5-2.2 1.7a12.5 12.5 0 0 0 6.5 6.5L16 14l5 2v3a2 2 0 0 1-2 2A16 16 0 0 1 3 5a2 2 0 0 1 2-2z"],
  shield: ["M12 3l7 2.5V11c0 4.6-2.9 8.2-7 10-4.1-1.8-7-5.4-7-10V5.5z", "M9 11.8l2.2 2.2L15.2 10"],
  copy: ["M9 9h10a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1H9a1 1 0 0 1-1-1V10a1 1 0 0 1 1-1z", "M4 15V5a1 1 0 0 1 1-1h10"],
  check: ["M5 12.5l4.5 4.5L19 7.5"],
  cross: ["M6 6l12 12", "M18 6L6 18"],
  down: ["M6 9l6 6 6-6"],
  cascade: ["M4 6h8", "M8 12h8", "M12 18h8"],
};

/** A small drawing, for text of any size. */
export function icon(name) {
  const ns = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(ns, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", `ph-icon ph-icon-${name}`);
  for (const d of SHAPES[name]) {
    const path = document.createElementNS(ns, "path");
    path.setAttribute("d", d);
    svg.append(path);
  }
  return svg;
}

/** The drawing of a type of channel. */
export function iconOf(type) {
  if (type === "voice" || type === "flashcall") return "call";
  if (type === "sim_push") return "shield";
  return type === "sms" ? "text" : "chat";
}

const isCall = (message) => message.type === "voice" || message.type === "flashcall";

/** Puts a text on the clipboard, also on plain http where the modern call is missing. */
async function copyText(text) {
  if (navigator.clipboard && window.isSecureContext) return navigator.clipboard.writeText(text);
  const box = el("textarea", { class: "ph-offscreen", readonly: true, "aria-hidden": "true" });
  const before = document.activeElement;
  box.value = text;
  document.body.append(box);
  box.select();
  const done = document.execCommand("copy");
  box.remove();
  before?.focus();
  if (!done) throw new Error("copy refused");
}

export class KaskadPhone extends HTMLElement {
  static observedAttributes = ["recipient", "lang"];

  #t = TEXT[language()];
  #messages = new Map(); // id -> { message, item, state }
  #ringing = null;
  #rung = new Set(); // ids: a replay after a reconnect does not ring again
  #timers = new Set();
  #filter = null;
  #stream = null;
  #lost = false;
  #follows = true; // the newest message stays in view until the person scrolls up
  #scrolled = 0;
  #minute = null;
  #parts = null;

  connectedCallback() {
    this.#t = TEXT[this.#lang];
    if (!this.#parts) this.#build();
    this.#tick();
    document.addEventListener("visibilitychange", this.#onVisibility);
    this.#connect();
  }

  disconnectedCallback() {
    document.removeEventListener("visibilitychange", this.#onVisibility);
    this.#disconnect();
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  attributeChangedCallback(name, before, after) {
    if (before === after || !this.#parts || !this.isConnected) return;
    if (name === "lang") this.#speak();
    this.#clear();
    this.#connect();
  }

  get filter() {
    return this.#filter;
  }

  set filter(number) {
    this.#filter = number || null;
    for (const entry of this.#messages.values()) this.#showOrHide(entry);
    this.#refresh();
    this.#scrollToNewest(true);
  }

  /** The numbers that messages have come to, newest last. */
  get recipients() {
    return [...new Set([...this.#messages.values()].map(({ message }) => message.recipient))];
  }

  #after(ms, run) {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      run();
    }, ms);
    this.#timers.add(timer);
    return timer;
  }

  get #lang() {
    const asked = this.getAttribute("lang");
    return asked in TEXT ? asked : language();
  }

  /** In another language everything is drawn anew; the server replays the messages. */
  #speak() {
    this.#t = TEXT[this.#lang];
    this.#ringing = null;
    this.#build();
    this.#tick();
  }

  // Frame and screen

  #build() {
    const t = this.#t;
    const time = el("span", { class: "ph-time" });
    const lockTime = el("p", { class: "ph-lock-time" });
    const lockDate = el("p", { class: "ph-lock-date" });
    const number = el("p", { class: "ph-number" });
    const connection = el("p", { class: "ph-connection", role: "status", hidden: true });
    const list = el("ol", { class: "ph-list", role: "list" });
    const empty = el("div", { class: "ph-empty" });
    const lock = el("div", { class: "ph-lock", "aria-hidden": "true" }, lockDate, lockTime);
    const scroll = el("div", { class: "ph-scroll", role: "region", "aria-label": t.messages, tabindex: "0" }, lock, list, empty);
    const newest = el("button", { class: "ph-newest", type: "button", hidden: true }, icon("down"), el("span", { text: t.newest }));
    const live = el("p", { class: "ph-offscreen", role: "status", "aria-live": "polite" });
    const status = el("div", { class: "ph-status", "aria-hidden": "true" }, time, el("span", { class: "ph-island" }),
      el("span", { class: "ph-signals" }, el("i", { class: "ph-signal" }), el("i", { class: "ph-battery" })));
    const screen = el("div", { class: "ph-screen" }, status, number, connection, scroll, newest, live, el("span", { class: "ph-home", "aria-hidden": "true" }));
    this.#parts = { time, lockTime, lockDate, number, connection, list, empty, scroll, newest, live, screen };
    if (!this.hasAttribute("role")) this.setAttribute("role", "group");
    if (!this.hasAttribute("aria-label")) this.setAttribute("aria-label", t.phone);
    newest.addEventListener("click", () => {
      this.#scrollToNewest(true);
      scroll.focus({ preventScroll: true });
    });
    scroll.addEventListener("scroll", () => {
      if (scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 40) {
        this.#follows = true;
        newest.hidden = true;
      } else if (scroll.scrollTop < this.#scrolled) {
        this.#follows = false;
      }
      this.#scrolled = scroll.scrollTop;
    }, { passive: true });
    new ResizeObserver(() => this.#follows && this.#scrollToNewest(true)).observe(scroll);
    this.replaceChildren(el("div", { class: "ph-frame" }, screen));
    this.#refresh();
  }

  #tick() {
    const now = new Date();
    const { time, lockTime, lockDate } = this.#parts;
    const clock = new Intl.DateTimeFormat(this.#lang === "ru" ? "ru" : "en-GB", { hour: "2-digit", minute: "2-digit" }).format(now);
    time.textContent = clock;
    lockTime.textContent = clock;
    lockDate.textContent = new Intl.DateTimeFormat(this.#lang, { weekday: "long", day: "numeric", month: "long" }).format(now);
    clearTimeout(this.#minute);
    this.#minute = this.#after(60_000 - (now.getTime() % 60_000) + 20, () => this.#tick());
  }

  #refresh() {
    const t = this.#t;
    const { number, empty, list, screen } = this.#parts;
    const one = this.getAttribute("recipient") ?? this.#filter;
    const shown = list.querySelector(":scope > li:not([hidden])") !== null;
    number.textContent = one === null ? t.allNumbers : formatNumber(one);
    number.hidden = one === "" || (one === null && !shown);
    screen.classList.toggle("is-empty", !shown);
    empty.hidden = shown;
    if (shown) return;
    const key = one === "" ? "none" : one !== null && this.#messages.size ? "other" : "wait";
    empty.replaceChildren(
      el("p", { class: "ph-empty-title", text: t[`${key}Title`] }),
      el("p", { text: fill(t[`${key}Text`], { number: formatNumber(one ?? "") }) }),
    );
  }

  // Connection: the server replays everything on connect, so a message is known by its id

  get #source() {
    return this.getAttribute("source") ?? "/handset";
  }

  #query() {
    const recipient = this.getAttribute("recipient");
    return recipient ? `?recipient=${encodeURIComponent(recipient)}` : "";
  }

  #connect() {
    this.#disconnect();
    if (this.getAttribute("recipient") === "") return;
    const stream = new EventSource(`${this.#source}/events${this.#query()}`);
    this.#stream = stream;
    stream.addEventListener("open", () => this.#online());
    stream.addEventListener("message", (event) => this.#take(event.data));
    stream.addEventListener("error", () => {
      if (stream !== this.#stream) return;
      this.#offline();
      if (stream.readyState === EventSource.CLOSED) {
        this.#after(RETRY_MS, () => stream === this.#stream && this.#connect());
      }
    });
  }

  #disconnect() {
    this.#stream?.close();
    this.#stream = null;
  }

  /** A hidden tab gives its connection back: browsers allow few of them per server. */
  #onVisibility = () => {
    if (document.hidden) {
      this.#after(30_000, () => document.hidden && this.#disconnect());
    } else if (!this.#stream) {
      this.#connect();
    }
  };

  #offline() {
    if (this.#lost) return;
    this.#lost = true;
    const stream = this.#stream;
    // A reconnect within a second is not worth a word.
    this.#after(1_200, () => {
      if (!this.#lost || stream === null) return;
      this.#say("is-lost", this.#t.lost);
    });
  }

  #online() {
    if (!this.#lost) return;
    this.#lost = false;
    const { connection } = this.#parts;
    if (!connection.hidden) {
      this.#say("is-back", this.#t.back);
      this.#after(2_500, () => {
        if (!this.#lost) connection.hidden = true;
      });
    }
    this.#forgetMissing();
  }

  #say(kind, text) {
    const { connection } = this.#parts;
    connection.className = `ph-connection ${kind}`;
    connection.hidden = false;
    connection.textContent = text;
  }

  /** After a restart of the server its list may be shorter than ours. */
  async #forgetMissing() {
    const known = [...this.#messages.keys()];
    try {
      const answer = await fetch(`${this.#source}/messages${this.#query()}`);
      if (!answer.ok) return;
      const current = new Set((await answer.json()).map((message) => message.id));
      for (const id of known) if (!current.has(id)) this.#remove(id);
      this.#refresh();
    } catch {
      // The stream reports the lost connection.
    }
  }

  // Messages

  #take(data) {
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      return;
    }
    const age = Date.now() - Date.parse(message.at);
    const known = this.#messages.get(message.id);
    if (known) {
      known.message = message;
      this.#draw(known);
      return;
    }
    const fresh = Number.isNaN(age) || age < FRESH_MS;
    const entry = { message, item: el("li", { class: "ph-item" }), state: isCall(message) ? "missed" : "shown" };
    this.#messages.set(message.id, entry);
    this.#showOrHide(entry);
    if (this.#ringing && !entry.item.hidden) this.#endCall(this.#ringing, "missed");
    if (fresh && isCall(message) && !entry.item.hidden && !this.#rung.has(message.id)) this.#ring(entry);
    this.#draw(entry);
    this.#parts.list.append(entry.item);
    if (this.#messages.size > KEEP) this.#remove(this.#messages.keys().next().value);
    this.#refresh();
    if (this.#follows) this.#scrollToNewest(!fresh);
    else if (!entry.item.hidden) this.#parts.newest.hidden = false;
    this.dispatchEvent(new CustomEvent("phone-recipients", { bubbles: true, detail: this.recipients }));
    if (!fresh) return;
    if (!entry.item.hidden) this.#announce(message);
    this.dispatchEvent(new CustomEvent("phone-message", { bubbles: true, detail: { ...message, text: this.#words(message) } }));
  }

  #remove(id) {
    const entry = this.#messages.get(id);
    if (!entry) return;
    if (this.#ringing === entry) this.#ringing = null;
    entry.state = "missed";
    entry.item.remove();
    this.#messages.delete(id);
  }

  #clear() {
    for (const id of [...this.#messages.keys()]) this.#remove(id);
    this.#lost = false;
    this.#follows = true;
    this.#parts.connection.hidden = true;
    this.#parts.newest.hidden = true;
    this.#parts.live.textContent = "";
    this.#refresh();
  }

  #showOrHide({ message, item }) {
    item.hidden = this.#filter !== null && message.recipient !== this.#filter;
  }

  #announce(message) {
    const label = this.#label(message);
    this.#parts.live.textContent = isCall(message)
      ? fill(this.#t.callFrom, { label, number: formatNumber(message.callerId) })
      : fill(this.#t.says, { label, text: this.#words(message) });
  }

  /** The channel's label; a type's plain name is said in the phone's language. */
  #label({ label, type }) {
    return label && label !== TEXT.en[type] ? label : this.#t[type] || type;
  }

  #scrollToNewest(jump) {
    const { scroll, newest } = this.#parts;
    const calm = jump || matchMedia("(prefers-reduced-motion: reduce)").matches;
    scroll.scrollTo({ top: scroll.scrollHeight, behavior: calm ? "instant" : "smooth" });
    newest.hidden = true;
    this.#follows = true;
  }

  // One message

  #draw(entry) {
    const { message, item, state } = entry;
    const focused = item.contains(document.activeElement);
    const id = `ph-${message.id}`;
    const article = el("article", {
      class: `ph-message ${isCall(message) ? "ph-call" : "ph-bubble"}`,
      "data-message-id": message.id, "data-type": message.type, "data-state": message.answer ?? state,
      "aria-labelledby": `${id}-from`,
    });
    article.append(this.#head(message, id));
    article.append(...(isCall(message) ? this.#call(entry) : this.#body(entry)));
    item.replaceChildren(article);
    if (focused) {
      const next = article.querySelector("button") ?? article.querySelector(".ph-outcome") ?? article;
      if (next.tabIndex < 0) next.tabIndex = -1;
      next.focus({ preventScroll: true });
    }
  }

  #head(message, id) {
    const when = new Date(message.at);
    const time = Number.isNaN(when.getTime()) ? "" : new Intl.DateTimeFormat(this.#lang === "ru" ? "ru" : "en-GB", { hour: "2-digit", minute: "2-digit" }).format(when);
    const all = !this.hasAttribute("recipient");
    return el("header", { class: "ph-head" },
      el("span", { class: "ph-app" }, icon(iconOf(message.type))),
      el("span", { class: "ph-from" },
        el("span", { class: "ph-label", id: `${id}-from`, text: this.#label(message) }),
        all && el("span", { class: "ph-to", text: fill(this.#t.to, { number: formatNumber(message.recipient) }) })),
      el("time", { class: "ph-when", datetime: message.at, text: time }));
  }

  /** What the message says; where the provider writes the text itself, the phone stands in for it. */
  #words({ text, code }) {
    if (text) return text;
    return code ? fill(this.#t.ownCode, { code }) : this.#t.ownQuestion;
  }

  #text(message) {
    const [before, code, after] = aroundCode(this.#words(message), message.code);
    const line = el("p", { class: "ph-text", dir: "auto" });
    line.append(before);
    if (code) line.append(el("mark", { class: "ph-code", text: code }));
    line.append(after);
    return line;
  }

  #body(entry) {
    const { message } = entry;
    const parts = [this.#text(message)];
    if (message.code) parts.push(el("div", { class: "ph-actions" }, this.#copyButton(message.code)));
    if (message.type === "sim_push") parts.push(...this.#question(entry));
    return parts;
  }

  #question(entry) {
    const t = this.#t;
    const { answer } = entry.message;
    if (answer) {
      const yes = answer === "confirm";
      return [el("p", { class: `ph-outcome ${yes ? "is-yes" : "is-no"}`, tabindex: "-1" }, icon(yes ? "check" : "cross"),
        el("span", { text: yes ? t.confirmed : t.declined }))];
    }
    const problem = el("p", { class: "ph-problem", role: "alert" });
    const yes = el("button", { class: "ph-button is-primary", type: "button", "data-action": "confirm", text: t.confirm });
    const no = el("button", { class: "ph-button", type: "button", "data-action": "decline", text: t.decline });
    yes.addEventListener("click", () => this.#answer(entry, "confirm", [yes, no], problem));
    no.addEventListener("click", () => this.#answer(entry, "decline", [yes, no], problem));
    return [el("div", { class: "ph-actions" }, no, yes), problem];
  }

  async #answer(entry, answer, buttons, problem) {
    if (buttons[0].getAttribute("aria-disabled")) return;
    for (const button of buttons) button.setAttribute("aria-disabled", "true");
    problem.textContent = "";
    try {
      const id = encodeURIComponent(entry.message.id);
      const response = await fetch(`${this.#source}/messages/${id}/${answer}`, { method: "POST" });
      if (response.status === 404) {
        problem.textContent = this.#t.gone;
        return;
      }
      if (!response.ok) throw new Error(String(response.status));
      entry.message = { ...entry.message, answer };
      this.#draw(entry);
    } catch {
      problem.textContent = this.#t.failed;
      for (const button of buttons) button.removeAttribute("aria-disabled");
    }
  }

  #copyButton(code) {
    const t = this.#t;
    const label = el("span", { text: t.copy });
    const button = el("button", { class: "ph-button is-copy", type: "button", "data-action": "copy" }, icon("copy"), label);
    button.addEventListener("click", async () => {
      try {
        await copyText(code);
      } catch {
        return;
      }
      label.textContent = t.copied;
      this.#parts.live.textContent = t.copied;
      button.classList.add("is-done");
      this.#after(2_000, () => {
        label.textContent = t.copy;
        button.classList.remove("is-done");
      });
    });
    return button;
  }

  // Calls: ringing takes the whole screen, then stays in the list

  #ring(entry) {
    this.#rung.add(entry.message.id);
    entry.state = "ringing";
    this.#ringing = entry;
    this.#after(RING_MS[entry.message.type], () => entry.state === "ringing" && this.#endCall(entry, "missed"));
  }

  #endCall(entry, state) {
    if (this.#ringing === entry) this.#ringing = null;
    entry.state = state;
    this.#draw(entry);
    this.#scrollToNewest(true);
  }

  #call(entry) {
    const t = this.#t;
    const { message, state } = entry;
    const kind = { ringing: t.incoming, missed: t.missed, answered: t.answered }[state];
    const flash = message.type === "flashcall";
    const [before, code] = aroundCode(formatNumber(message.callerId), flash ? message.code : null, { atEnd: true });
    const number = el("p", { class: "ph-caller", dir: "ltr" });
    number.append(before);
    if (code) number.append(el("mark", { class: "ph-code", text: code }));
    const parts = [el("p", { class: "ph-kind", text: kind }), number];
    if (flash && code) parts.push(el("p", { class: "ph-note", text: fill(t.flashHint, { n: String(message.code.length) }) }));
    const heard = state === "answered";
    if (heard) parts.push(this.#text(message));
    const actions = el("div", { class: "ph-actions" });
    if (message.code && (flash || heard)) actions.append(this.#copyButton(message.code));
    if (state === "ringing") actions.append(this.#round("hang-up", t.hangUp, () => this.#endCall(entry, "missed")));
    if (!flash && !heard) {
      const name = state === "ringing" ? t.answer : t.callBack;
      actions.append(this.#round("answer", name, () => this.#pickUp(entry)));
    }
    return [...parts, actions];
  }

  #pickUp(entry) {
    this.#endCall(entry, "answered");
    this.#parts.live.textContent = this.#words(entry.message);
  }

  #round(action, name, run) {
    const button = el("button", { class: `ph-button is-${action}`, type: "button", "data-action": action }, icon("call"), el("span", { text: name }));
    button.addEventListener("click", run);
    return button;
  }
}

if (!customElements.get("kaskad-phone")) customElements.define("kaskad-phone", KaskadPhone);
