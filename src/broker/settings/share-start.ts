/** `share.auto.offset.reset`: where a share group begins. Durations are those of ISO 8601 in days, hours, minutes and seconds. */

export type ShareStart = 'latest' | 'earliest' | { readonly agoMs: number }

const DURATION =
  /^by_duration:P(?:(\d{1,6})D)?(?:T(?:(\d{1,8})H)?(?:(\d{1,10})M)?(?:(\d{1,12}(?:\.\d{1,9})?)S)?)?$/

export function isShareStart(text: string): boolean {
  const word = text.trim()
  if (word === 'latest' || word === 'earliest') return true
  const found = DURATION.exec(word)
  return found !== null && found.slice(1).some((part) => part !== undefined)
}

/** What `isShareStart` lets through. */
export function parseShareStart(text: string): ShareStart {
  const word = text.trim()
  if (word === 'latest' || word === 'earliest') return word
  const [, days = 0, hours = 0, minutes = 0, seconds = 0] = DURATION.exec(word) ?? []
  const wholeMinutes = (Number(days) * 24 + Number(hours)) * 60 + Number(minutes)
  return { agoMs: Math.round((wholeMinutes * 60 + Number(seconds)) * 1_000) }
}
