/** The page's words. {name} is replaced; elements name theirs in data-text, data-label and data-title. */

const WORDS = {
  en: {
    pageTitle: "Verify a phone number · kaskad demo",
    navHandset: "Handset", language: "Language", theme: "Theme",
    themeAuto: "As the system", themeLight: "Light", themeDark: "Dark",
    heading: "Verify a phone number",
    lede: "Choose a channel, send, look at the phone. Nothing leaves this machine.",
    channel: "Channel",
    exampleText: "Any valid mobile number will do.", example: "Use {number}",
    phoneHeading: "The phone", phoneNone: "A stand-in for the person’s real phone", phoneFor: "The phone of {number}",
    show: "Show",
    backendHeading: "What your back end sees",
    backendText: "The page’s word is not enough. Your back end asks the service itself, with its own token:",
    completeAgain: "Ask a second time", another: "Verify another number", first: "First answer", later: "Answer {count}",
    once: "The verdict was collected. It is given once, so nobody can use it again.",
    callsHeading: "What the widget calls",
    callsText: "The same calls as the public API, without the token. Codes are not shown.",
    callsEmpty: "Nothing yet. Send a code, and the calls appear here with their JSON.",
    callsCount: "{count} so far", held: "held…", failed: "failed", dropped: "dropped", byBackEnd: "back end",
    request: "Request", answer: "Answer", noBody: "no body",
    embedHeading: "Put it on your page", embedForm: "Form", formScript: "Script", formElement: "Element", formModule: "Module",
    embedScript: "One script and a container. It works on any page, also an old one.",
    embedElement: "A custom element, for a page that is put out together with this version of kaskad.",
    embedModule: "The same element from an address that follows upgrades by itself.",
    copy: "Copy", copied: "Copied",
    notBuilt: "The widget has not been built, so there is nothing to show here. In the folder of the source, run: make setup. Then start the demo again.",
    unreachable: "The demo cannot be reached. Is it still running?",
    cascade: "Cascade", sms: "SMS", voice: "Voice call", flashcall: "Flash call", telegramcode: "Telegram",
    whatsapp: "WhatsApp", viber: "Viber", vk: "VK", sim_push: "SIM push",
    aboutCascade: "{ways}. When one does not get through, the next one starts by itself.",
    aboutSms: "A text message with a code.",
    aboutVoice: "A call: answer it, and a voice reads the code out.",
    aboutFlashcall: "A call that nobody has to answer: its number ends with the code.",
    aboutTelegramcode: "A code from Telegram’s own verification account.",
    aboutWhatsapp: "A message with a code in WhatsApp.",
    aboutViber: "A message with a code in Viber.",
    aboutVk: "A message with a code in VK.",
    aboutSim_push: "No code at all: a question on the phone, answered with one tap.",
  },
  ru: {
    pageTitle: "Проверка номера телефона · демо kaskad",
    navHandset: "Телефон", language: "Язык", theme: "Тема",
    themeAuto: "Как в системе", themeLight: "Светлая", themeDark: "Тёмная",
    heading: "Проверка номера телефона",
    lede: "Выберите канал, отправьте код и смотрите на телефон. Настоящих сообщений нет.",
    channel: "Канал",
    exampleText: "Подойдёт любой правильный мобильный номер.", example: "Взять {number}",
    phoneHeading: "Телефон", phoneNone: "Вместо настоящего телефона человека", phoneFor: "Телефон с номером {number}",
    show: "Показать",
    backendHeading: "Что видит ваш сервер",
    backendText: "Слова страницы недостаточно. Ваш сервер сам спрашивает службу, со своим токеном:",
    completeAgain: "Спросить ещё раз", another: "Проверить другой номер", first: "Первый ответ", later: "Ответ {count}",
    once: "Результат получен. Он выдаётся один раз, и воспользоваться им снова нельзя.",
    callsHeading: "Что вызывает виджет",
    callsText: "Те же вызовы, что у публичного API, но без токена. Коды не показываются.",
    callsEmpty: "Пока пусто. Отправьте код, и здесь появятся вызовы со своим JSON.",
    callsCount: "всего: {count}", held: "ждёт…", failed: "ошибка", dropped: "прерван", byBackEnd: "сервер",
    request: "Запрос", answer: "Ответ", noBody: "без тела",
    embedHeading: "Поставьте на свою страницу", embedForm: "Способ", formScript: "Скрипт", formElement: "Элемент", formModule: "Модуль",
    embedScript: "Один скрипт и контейнер. Работает на любой странице, даже на старой.",
    embedElement: "Элемент для страницы, которая выходит вместе с этой версией kaskad.",
    embedModule: "Тот же элемент с адреса, который сам следует за обновлениями.",
    copy: "Скопировать", copied: "Скопировано",
    notBuilt: "Виджет не собран, поэтому показать здесь нечего. В папке с исходным кодом выполните: make setup. Потом запустите демо снова.",
    unreachable: "Демо не отвечает. Оно ещё работает?",
    cascade: "Каскад", sms: "SMS", voice: "Голосовой звонок", flashcall: "Звонок-сброс", telegramcode: "Telegram",
    whatsapp: "WhatsApp", viber: "Viber", vk: "VK", sim_push: "SIM-push",
    aboutCascade: "{ways}. Если один способ не сработал, следующий начинается сам.",
    aboutSms: "Сообщение с кодом.",
    aboutVoice: "Звонок: ответьте, и голос продиктует код.",
    aboutFlashcall: "Звонок, на который не нужно отвечать: код в последних цифрах номера.",
    aboutTelegramcode: "Код от проверочного аккаунта самого Telegram.",
    aboutWhatsapp: "Сообщение с кодом в WhatsApp.",
    aboutViber: "Сообщение с кодом в Viber.",
    aboutVk: "Сообщение с кодом во ВКонтакте.",
    aboutSim_push: "Кода нет вовсе: вопрос на телефоне, ответ одним касанием.",
  },
};

let language = "en";

export const t = (key, values = {}) => WORDS[language][key].replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");

/** Whether there is a text of that name. */
export const has = (key) => key in WORDS[language];

/** Puts the page into a language; what scripts have written is theirs to write again. */
export function speak(chosen) {
  language = chosen;
  document.documentElement.lang = chosen;
  document.title = t("pageTitle");
  for (const node of document.querySelectorAll("[data-text]")) node.textContent = t(node.dataset.text);
  for (const node of document.querySelectorAll("[data-label]")) node.setAttribute("aria-label", t(node.dataset.label));
  for (const node of document.querySelectorAll("[data-title]")) node.title = t(node.dataset.title);
}
