import { formatNumber, language } from "./phone.js";

const TEXT = {
  en: {
    page: "Handset · kaskad",
    title: "Handset",
    filter: "Number",
    all: "All numbers",
    about: "Every message that the simulator delivers arrives on this phone: texts, messenger messages, calls and sign-in requests. No real phone rings.",
    next: "To see something here, start a verification on the demo page, or through the API with a channel on the simulator.",
    demo: "Open the demo",
  },
  ru: {
    page: "Телефон · kaskad",
    title: "Телефон",
    filter: "Номер",
    all: "Все номера",
    about: "Сюда приходит всё, что доставил симулятор: SMS, сообщения в мессенджерах, звонки и запросы на вход. Настоящий телефон не зазвонит.",
    next: "Чтобы здесь что-то появилось, начните проверку на демо-странице или через API с каналом на симуляторе.",
    demo: "Открыть демо",
  },
};

const lang = language();
const t = TEXT[lang];
const phone = document.querySelector("kaskad-phone");
const filter = document.querySelector("#filter");
let unseen = 0;

document.documentElement.lang = lang;
for (const node of document.querySelectorAll("[data-text]")) node.textContent = t[node.dataset.text];
showTitle();

function showTitle() {
  document.title = unseen ? `(${unseen}) ${t.page}` : t.page;
}

function offer(recipients) {
  const known = new Set([...filter.options].map((option) => option.value));
  for (const number of recipients) if (!known.has(number)) filter.append(new Option(formatNumber(number), number));
}

function choose(number) {
  if (number) offer([number]);
  filter.value = number;
  phone.filter = number || null;
}

filter.addEventListener("change", () => {
  const address = new URL(location.href);
  if (filter.value) address.searchParams.set("recipient", filter.value);
  else address.searchParams.delete("recipient");
  history.replaceState(null, "", address);
  choose(filter.value);
});

phone.addEventListener("phone-recipients", (event) => offer(event.detail));
phone.addEventListener("phone-message", () => {
  if (!document.hidden) return;
  unseen += 1;
  showTitle();
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  unseen = 0;
  showTitle();
});

offer(phone.recipients);
choose((new URLSearchParams(location.search).get("recipient") ?? "").trim().replace(/^(?=\d)/, "+"));
