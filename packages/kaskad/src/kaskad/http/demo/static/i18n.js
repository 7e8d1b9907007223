/** The page's words. {name} is replaced; a value that is an object is chosen by plural form of {count}. */

const en = {
  pageTitle: "Verify a phone number · kaskad demo",
  navHandset: "Open the handset",
  heading: "Verify a phone number",
  lede: "Send a code, read it on the phone, type it in. Everything stays on this machine: no real message leaves it.",
  stepNumber: "Number", stepCode: "Confirm", stepDone: "Done", steps: "Steps",

  startHeading: "Your number",
  widget: "Widget", cascade: "Channels, in order", recipient: "Phone number",
  recipientHint: "Any usual notation will do.",
  useExample: "Use {number}",
  send: "Send code", sending: "Sending…", sendIn: "Send code in {time}",

  codeHeading: "Enter the code", callerHeading: "See who is calling", pushHeading: "Confirm on your phone", otherHeading: "Confirm on your phone",
  newCodeHeading: "Ask for a new code", askAgainHeading: "Not confirmed",
  verify: "Verify", verifying: "Checking…",
  wrongNumber: "Wrong number?", anotherWay: "Try another way",

  labelSms: "Code from the SMS", labelVoice: "Code from the call", labelFlash: "Last {count} digits of the caller’s number",
  labelApp: "Code from {app}", labelOther: "Code",
  hintFlash: "No need to answer. The code is the last {count} digits of the number that calls.",
  hintVoice: "Answer the call: a voice reads the code out.",
  hintPush: "Press Confirm in the request on your phone. This page will notice by itself.",
  hintOther: "Follow the instructions on your phone. This page will notice by itself.",
  hintText: { one: "The code has {count} digit.", other: "The code has {count} digits." },

  waitSms: "Sending an SMS to {number}…", waitVoice: "Calling {number}…", waitFlash: "Calling {number}…",
  waitApp: "Sending a message in {app} to {number}…", waitPush: "Sending a request to {number}…", waitOther: "Contacting {number}…",
  sentSms: "SMS sent to {number}.", sentVoice: "We are calling {number}.", sentFlash: "We are calling {number}.",
  sentApp: "Message sent in {app} to {number}.", sentPush: "Request sent to {number}.", sentOther: "Sent to {number}.",
  insteadSms: "We are sending you an SMS instead.", insteadVoice: "We are calling you instead.", insteadFlash: "We are calling you instead.",
  insteadApp: "We are writing to you in {app} instead.", insteadPush: "We are asking you on your phone instead.", insteadOther: "We are trying another way: {app}.",
  againSms: "Another SMS is on its way.", againVoice: "We are calling you again.", againFlash: "We are calling you again.",
  againApp: "Another message in {app} is on its way.", againPush: "Another request is on its way.", againOther: "We are trying once more.",

  resendSms: "Resend SMS", resendVoice: "Call me again", resendFlash: "Call me again", resendApp: "Send again in {app}",
  resendPush: "Ask again on my phone", resendOther: "Send again",
  switchSms: "Send an SMS instead", switchVoice: "Call me instead", switchFlash: "Call me instead", switchApp: "Write in {app} instead",
  switchPush: "Ask on my phone instead", switchOther: "Try {app} instead",
  labelIn: "{label} in {time}", availableIn: "{label}: available in {time}", availableNow: "{label}: available now",
  seconds: { one: "{count} second", other: "{count} seconds" },

  incomplete: { one: "Enter the {count} digit of the code.", other: "Enter all {count} digits of the code." },
  wrongCode: "That code is not right.",
  attemptsLeft: { one: "{count} attempt left.", other: "{count} attempts left." },
  launchEnded: "The previous code does not work any more.",
  pushEnded: "The request was declined or has expired.",
  noOtherWay: "There is no other way for this number right now.",
  tooEarly: "A little too early. Please wait for the timer.",
  reconnecting: "Connection lost. Trying again…",

  endedAttempts: "Too many wrong codes", endedAttemptsText: "This verification is over, so that nobody can guess the code. You can start a new one.",
  endedChannels: "We could not reach this number", endedChannelsText: "No way of sending a code is left for {number}. Check the number and start again.",
  endedDeclined: "Not confirmed", endedDeclinedText: "The request to {number} was declined or has expired. You can start again.",
  endedClosed: "This verification is over", endedClosedText: "It took too long, or it was already used. Start a new one.",
  endedUnknown: "This verification is no longer known", endedUnknownText: "The service does not have it any more. Start a new one.",
  endedMismatch: "This is another number’s verification", endedMismatchText: "It was started for a different number. Start a new one.",
  endedBlocked: "This widget is switched off", endedOther: "Something went wrong",
  startAgain: "Start again", retry: "Try again",

  verifiedHeading: "Number verified", verifiedText: "Whoever holds this number has just confirmed it.",
  backendHeading: "What your back end sees",
  backendText: "Your page’s word is not enough. Your back end asks the service itself, with its own token:",
  onceText: "This answer is given only once. Ask a second time to see.",
  onceShown: "A confirmation can be collected exactly once, so repeating the request gains nothing.",
  completeAgain: "Ask a second time", completeMore: "Ask once more", another: "Verify another number", asking: "Asking…",
  answerFirst: "First answer", answerAgain: { one: "Answer {count}", other: "Answer {count}" },

  hood: "Under the hood", hoodText: "The calls this page makes. In your product the page talks to your back end, and your back end talks to {base} with its token.",
  hoodEmpty: "Nothing yet.", method: "Method", path: "Path", status: "Status", time: "Time", held: "waiting", failed: "failed", backEndCall: "back end",
  requests: { one: "{count} request", other: "{count} requests" },

  phoneHeading: "The phone", phoneNone: "A stand-in for the person’s real phone", phoneFor: "The phone of {number}",
  show: "Show", phoneNews: "On the phone: {text}", incomingCall: "call from {number}",

  errNetwork: "The service cannot be reached. Check that it is running, then try again.",
  errRate: "Too many requests for now.", errRateIn: "Too many requests for now. Try again in {time}.",
  errBusy: "The service is busy. Try again in a moment.", errServer: "The service made a mistake. Nothing is lost, try again.",
  errBlocked: "This widget is blocked or switched off.", errWidget: "This widget does not exist any more. Choose another one.",
  errCaptcha: "This widget asks for a captcha, and this demo page has none. Choose another one.",
  errAccess: "The demo may not use this widget.", errNoChannels: "No channel of this widget suits this number. Try another widget or number.",
  errNumber: "{message}: this does not look like a phone number.",
  errConfig: "The demo’s settings did not load.",
};

const ru = {
  pageTitle: "Проверка номера телефона · демо kaskad",
  navHandset: "Открыть телефон",
  heading: "Подтвердите номер телефона",
  lede: "Отправьте код, прочитайте его на телефоне и введите здесь. Настоящие сообщения не уходят: всё остаётся на этой машине.",
  stepNumber: "Номер", stepCode: "Проверка", stepDone: "Готово", steps: "Шаги",

  startHeading: "Ваш номер",
  widget: "Виджет",
  cascade: "Каналы по порядку", recipient: "Номер телефона",
  recipientHint: "Подойдёт любая привычная запись.",
  useExample: "Подставить {number}",
  send: "Отправить код", sending: "Отправляем…", sendIn: "Отправить код через {time}",

  codeHeading: "Введите код", callerHeading: "Посмотрите, кто звонит", pushHeading: "Подтвердите на телефоне", otherHeading: "Подтвердите на телефоне",
  newCodeHeading: "Запросите новый код", askAgainHeading: "Не подтверждено",
  verify: "Проверить", verifying: "Проверяем…",
  wrongNumber: "Не тот номер?", anotherWay: "Другой способ",

  labelSms: "Код из SMS", labelVoice: "Код из звонка", labelFlash: "Последние цифры звонящего номера ({count})",
  labelApp: "Код из {app}", labelOther: "Код",
  hintFlash: "Отвечать не нужно. Код — последние цифры номера, с которого звонят ({count}).",
  hintVoice: "Ответьте на звонок: код продиктует голос.",
  hintPush: "Нажмите «Подтвердить» в запросе на телефоне. Страница сама это заметит.",
  hintOther: "Следуйте подсказке на телефоне. Страница сама это заметит.",
  hintText: { one: "Код состоит из {count} цифры.", other: "Код состоит из {count} цифр." },

  waitSms: "Отправляем SMS на {number}…", waitVoice: "Звоним на {number}…", waitFlash: "Звоним на {number}…",
  waitApp: "Отправляем сообщение в {app} на {number}…", waitPush: "Отправляем запрос на {number}…", waitOther: "Связываемся с {number}…",
  sentSms: "SMS отправлено на {number}.", sentVoice: "Звоним на {number}.", sentFlash: "Звоним на {number}.",
  sentApp: "Сообщение в {app} отправлено на {number}.", sentPush: "Запрос отправлен на {number}.", sentOther: "Отправлено на {number}.",
  insteadSms: "Вместо этого отправляем вам SMS.", insteadVoice: "Вместо этого звоним вам.", insteadFlash: "Вместо этого звоним вам.",
  insteadApp: "Вместо этого пишем вам в {app}.", insteadPush: "Вместо этого спрашиваем вас на телефоне.", insteadOther: "Пробуем другой способ: {app}.",
  againSms: "Отправляем ещё одно SMS.", againVoice: "Звоним ещё раз.", againFlash: "Звоним ещё раз.",
  againApp: "Отправляем ещё одно сообщение в {app}.", againPush: "Отправляем ещё один запрос.", againOther: "Пробуем ещё раз.",

  resendSms: "Выслать SMS снова", resendVoice: "Позвонить снова", resendFlash: "Позвонить снова", resendApp: "Написать в {app} снова",
  resendPush: "Спросить снова", resendOther: "Отправить снова",
  switchSms: "Отправить SMS", switchVoice: "Лучше позвонить", switchFlash: "Лучше позвонить", switchApp: "Лучше написать в {app}",
  switchPush: "Спросить на телефоне", switchOther: "Попробовать {app}",
  labelIn: "{label} через {time}", availableIn: "{label}: можно через {time}", availableNow: "{label}: уже можно",
  seconds: { one: "{count} секунду", few: "{count} секунды", many: "{count} секунд", other: "{count} секунды" },

  incomplete: { one: "Введите {count} цифру кода.", few: "Введите все {count} цифры кода.", many: "Введите все {count} цифр кода.", other: "Введите все {count} цифры кода." },
  wrongCode: "Код не подошёл.",
  attemptsLeft: { one: "Осталась {count} попытка.", few: "Осталось {count} попытки.", many: "Осталось {count} попыток.", other: "Осталось {count} попытки." },
  launchEnded: "Прежний код больше не действует.",
  pushEnded: "Запрос отклонён или его срок истёк.",
  noOtherWay: "Других способов для этого номера сейчас нет.",
  tooEarly: "Чуть рано. Дождитесь конца отсчёта.",
  reconnecting: "Связь потеряна. Пробуем снова…",

  endedAttempts: "Слишком много неверных кодов", endedAttemptsText: "Проверка остановлена, чтобы код нельзя было подобрать. Можно начать новую.",
  endedChannels: "Не удалось связаться с этим номером", endedChannelsText: "Способов отправить код на {number} не осталось. Проверьте номер и начните заново.",
  endedDeclined: "Не подтверждено", endedDeclinedText: "Запрос на {number} отклонён или его срок истёк. Можно начать заново.",
  endedClosed: "Эта проверка закончена", endedClosedText: "Прошло слишком много времени, или она уже использована. Начните новую.",
  endedUnknown: "Эта проверка больше не известна", endedUnknownText: "Сервис её уже не хранит. Начните новую.",
  endedMismatch: "Это проверка другого номера", endedMismatchText: "Её начали для другого номера. Начните новую.",
  endedBlocked: "Этот виджет выключен", endedOther: "Что-то пошло не так",
  startAgain: "Начать заново", retry: "Повторить",

  verifiedHeading: "Номер подтверждён", verifiedText: "Его только что подтвердил тот, у кого этот телефон.",
  backendHeading: "Что видит ваш сервер",
  backendText: "Одного слова страницы мало. Ваш сервер сам спрашивает сервис со своим токеном:",
  onceText: "Такой ответ бывает только один раз. Спросите снова и убедитесь.",
  onceShown: "Подтверждение можно забрать ровно один раз: повтор запроса ничего не даёт.",
  completeAgain: "Спросить второй раз", completeMore: "Спросить ещё раз", another: "Подтвердить другой номер", asking: "Спрашиваем…",
  answerFirst: "Первый ответ", answerAgain: { one: "Ответ {count}", few: "Ответ {count}", many: "Ответ {count}", other: "Ответ {count}" },

  hood: "Что внутри", hoodText: "Запросы этой страницы. В вашем продукте страница обращается к вашему серверу, а он со своим токеном — к {base}.",
  hoodEmpty: "Пока пусто.", method: "Метод", path: "Путь", status: "Статус", time: "Время", held: "ждёт", failed: "сбой", backEndCall: "сервер",
  requests: { one: "{count} запрос", few: "{count} запроса", many: "{count} запросов", other: "{count} запроса" },

  phoneHeading: "Телефон", phoneNone: "Заменяет настоящий телефон человека", phoneFor: "Телефон с номером {number}",
  show: "Показать", phoneNews: "На телефоне: {text}", incomingCall: "звонок с {number}",

  errNetwork: "Сервис недоступен. Проверьте, что он запущен, и попробуйте снова.",
  errRate: "Слишком много запросов.", errRateIn: "Слишком много запросов. Попробуйте через {time}.",
  errBusy: "Сервис занят. Попробуйте чуть позже.", errServer: "В сервисе произошла ошибка. Ничего не потеряно, попробуйте снова.",
  errBlocked: "Этот виджет заблокирован или выключен.", errWidget: "Этого виджета больше нет. Выберите другой.",
  errCaptcha: "Этому виджету нужна капча, а на демо-странице её нет. Выберите другой.",
  errAccess: "Демо не может пользоваться этим виджетом.", errNoChannels: "Ни один канал виджета не подходит для этого номера. Выберите другой виджет или номер.",
  errNumber: "{message}: это не похоже на номер телефона.",
  errConfig: "Настройки демо не загрузились.",
};

export const lang = (navigator.language || "en").toLowerCase().startsWith("ru") ? "ru" : "en";
const words = { en, ru }[lang];
const plural = new Intl.PluralRules(lang);

export function t(key, values = {}) {
  let text = words[key] ?? en[key] ?? key;
  if (typeof text === "object") text = text[plural.select(values.count)] ?? text.other;
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

/** Channel types that are spoken of in the same way. */
const FAMILY = {
  sms: "Sms", voice: "Voice", flashcall: "Flash", sim_push: "Push",
  telegramcode: "App", whatsapp: "App", viber: "App", vk: "App",
};

const APP = { telegramcode: "Telegram", whatsapp: "WhatsApp", viber: "Viber", vk: "VK" };

/** A sentence about a channel, e.g. about("sent", channel, {number}). */
export function about(verb, { type, label }, values = {}) {
  const family = FAMILY[type] ?? "Other";
  return t(`${verb}${family}`, { app: APP[type] ?? label ?? type, ...values });
}

/** Seconds for reading aloud and for the eye: "0:42". */
export const spoken = (seconds) => t("seconds", { count: seconds });
export const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;

export function translate(root = document) {
  document.documentElement.lang = lang;
  document.title = t("pageTitle");
  for (const node of root.querySelectorAll("[data-text]")) node.textContent = t(node.dataset.text);
  for (const node of root.querySelectorAll("[data-label]")) node.setAttribute("aria-label", t(node.dataset.label));
}
