/** Countries with their dialling codes, and what a phone field needs to know of them. */

// ISO 3166 and dialling code. Where several share a code, the one that it is taken for comes first.
const DATA =
  "US1RU7GB44AU61IT39NO47MA212RE262FI358CW599GP590" +
  "AC247AD376AE971AF93AG1AI1AL355AM374AO244AR54AS1AT43AW297AX358AZ994BA387BB1BD880BE32BF226BG359BH973" +
  "BI257BJ229BL590BM1BN673BO591BQ599BR55BS1BT975BW267BY375BZ501CA1CC61CD243CF236CG242CH41CI225CK682" +
  "CL56CM237CN86CO57CR506CU53CV238CX61CY357CZ420DE49DJ253DK45DM1DO1DZ213EC593EE372EG20EH212ER291ES34" +
  "ET251FJ679FK500FM691FO298FR33GA241GD1GE995GF594GG44GH233GI350GL299GM220GN224GQ240GR30GT502GU1GW245" +
  "GY592HK852HN504HR385HT509HU36ID62IE353IL972IM44IN91IO246IQ964IR98IS354JE44JM1JO962JP81KE254KG996" +
  "KH855KI686KM269KN1KP850KR82KW965KY1KZ7LA856LB961LC1LI423LK94LR231LS266LT370LU352LV371LY218MC377" +
  "MD373ME382MF590MG261MH692MK389ML223MM95MN976MO853MP1MQ596MR222MS1MT356MU230MV960MW265MX52MY60MZ258" +
  "NA264NC687NE227NF672NG234NI505NL31NP977NR674NU683NZ64OM968PA507PE51PF689PG675PH63PK92PL48PM508PR1" +
  "PS970PT351PW680PY595QA974RO40RS381RW250SA966SB677SC248SD249SE46SG65SH290SI386SJ47SK421SL232SM378" +
  "SN221SO252SR597SS211ST239SV503SX1SY963SZ268TA290TC1TD235TG228TH66TJ992TK690TL670TM993TN216TO676TR90" +
  "TT1TV688TW886TZ255UA380UG256UY598UZ998VA39VC1VE58VG1VI1VN84VU678WF681WS685XK383YE967YT262ZA27ZM260" +
  "ZW263";

/** Where English is said to be from, when its region is not named. */
const WORLDWIDE = "US";

/** ISO code, dialling code, name. */
export type Country = readonly [iso: string, dial: string, name: string];

/** Dialling codes by ISO code. */
export const DIALS = new Map(
  Array.from(DATA.matchAll(/(\D\D)(\d+)/g), ([, iso, dial]) => [iso, dial] as [string, string]),
);

/** All of them with names in a language, in its order. */
export function countries(locale: string): Country[] {
  const names = new Intl.DisplayNames([locale, "en"], { type: "region" });
  const order = new Intl.Collator(locale).compare;
  return Array.from(DIALS, ([iso, dial]): Country => [iso, dial, names.of(iso) ?? iso]).sort(
    (a, b) => order(a[2], b[2]),
  );
}

/** The country that an international number begins with; `current` where it is one of several. */
export function countryOf(digits: string, current = ""): string | undefined {
  for (let length = 3; length; length--) {
    const dial = digits.slice(0, length);
    if (DIALS.get(current) === dial) return current;
    for (const [iso, code] of DIALS) if (code === dial) return iso;
  }
  return undefined;
}

/**
 * Digits of a mobile number without its country's code, which longer ones then have before them. Only
 * in one country may so long a number begin as the code does.
 */
const LONGEST_MOBILE = 10;
const LONGEST: Record<string, number> = { BR: 11 };

/**
 * What is sent of a typed number: as it stands when it is international, else with the chosen
 * country before it. The service drops a trunk prefix and checks the rest.
 */
export function composed(typed: string, iso: string): string {
  const text = typed.trim().replace(/^＋/, "+");
  const digits = text.replace(/\D/g, "");
  if (!digits || text.startsWith("+")) return text;
  if (digits.startsWith("00")) return `+${digits.slice(2)}`;
  const dial = DIALS.get(iso);
  if (!dial) return text;
  const longest = LONGEST[iso] ?? LONGEST_MOBILE;
  return digits.startsWith(dial) && digits.length > longest ? `+${digits}` : `+${dial} ${text}`;
}

/**
 * The country of a person by languages and regions, the surest first: the first region that one of
 * them names, else the first that one of them makes likely.
 */
export function homeOf(tags: readonly (string | null | undefined)[]): string {
  const likely: (string | undefined)[] = [];
  for (const tag of tags) {
    try {
      const locale = new Intl.Locale(tag ?? "");
      if (locale.region && DIALS.has(locale.region)) return locale.region;
      likely.push(locale.maximize().region);
    } catch {
      // Not a language tag: the next one may be.
    }
  }
  // Who reads English may live anywhere: any other language tells more.
  return likely.find((region) => region && region !== WORLDWIDE && DIALS.has(region)) ?? WORLDWIDE;
}
