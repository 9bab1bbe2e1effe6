/**
 * As much of PromQL as is needed to hold an expression to what is exported: its tokens, its brackets, and the metrics and
 * labels that it names. It is no parser: `promtool check rules` knows more.
 */

const TOKEN =
  /\s+|"(?:[^"\\]|\\.)*"|\[\d+(?:ms|s|m|h|d)\]|[a-zA-Z_:][\w:]*|\d+(?:\.\d+)?|[(){},]|=~|!~|!=|==|>=|<=|[-+*/%^<>=]/y

const WORDS = new Set(
  (
    'by without on ignoring group_left group_right and or unless bool ' +
    'sum max min avg count rate increase deriv predict_linear histogram_quantile absent clamp_min time'
  ).split(' '),
)

export interface Expression {
  readonly metrics: readonly string[]
  /** In selectors (`{status="stuck"}`) and after `by` and `on`. */
  readonly labels: readonly string[]
}

/** @throws Error that says what it cannot read, and where. */
export function readExpression(text: string): Expression {
  const tokens = tokensOf(text)
  checkBrackets(tokens)
  const metrics: string[] = []
  const labels: string[] = []
  let depth = 0
  let grouping = false
  tokens.forEach((token, index) => {
    if (token === '{') depth++
    if (token === '}') depth--
    if (token === '(' && ['by', 'on', 'without', 'ignoring'].includes(tokens[index - 1] ?? ''))
      grouping = true
    if (token === ')') grouping = false
    if (!/^[a-zA-Z_:]/.test(token) || WORDS.has(token)) return
    if (depth > 0 || grouping) labels.push(token)
    else metrics.push(token)
  })
  return { metrics, labels }
}

function tokensOf(text: string): readonly string[] {
  const tokens: string[] = []
  TOKEN.lastIndex = 0
  while (TOKEN.lastIndex < text.length) {
    const at = TOKEN.lastIndex
    const [token] = TOKEN.exec(text) ?? []
    if (token === undefined) throw new Error(`cannot read ${text.slice(at, at + 20)}`)
    if (token.trim() !== '') tokens.push(token)
  }
  return tokens
}

function checkBrackets(tokens: readonly string[]): void {
  const open: string[] = []
  for (const token of tokens) {
    if (token === '(' || token === '{') open.push(token)
    const wanted = token === ')' ? '(' : token === '}' ? '{' : null
    if (wanted !== null && open.pop() !== wanted) throw new Error(`${token} closes nothing`)
  }
  if (open.length > 0) throw new Error(`${open.at(-1)} is not closed`)
}
