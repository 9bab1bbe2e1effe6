/**
 * What an image file must keep: few rules, each for something that has bitten somebody.
 */

interface Instruction {
  readonly word: string
  readonly text: string
}

const KNOWN = new Set('FROM ENV RUN COPY WORKDIR USER VOLUME EXPOSE ENTRYPOINT CMD'.split(' '))

/** Sentences about what is wrong; none when all holds. */
export function dockerfileProblems(file: string): readonly string[] {
  const instructions = instructionsOf(file)
  const problems: string[] = []
  const rule = (holds: boolean, problem: string) => {
    if (!holds) problems.push(problem)
  }
  const of = (word: string) => instructions.filter((each) => each.word === word)
  for (const { word } of instructions) rule(KNOWN.has(word), `${word} is no instruction of ours`)
  rule(instructions[0]?.word === 'FROM', 'FROM comes first')
  for (const { text } of of('FROM'))
    rule(/^[\w./-]+:(?!latest\b)[\w.-]+(?: AS \w+)?$/.test(text), `FROM ${text}: name a version`)
  const last = instructions.findLastIndex(({ word }) => word === 'FROM')
  const user = instructions.slice(last).findLast(({ word }) => word === 'USER')
  rule(user !== undefined && !/^(?:root|0)\b/.test(user.text), 'the last stage runs as root')
  for (const { word, text } of [...of('CMD'), ...of('ENTRYPOINT')])
    rule(isExecForm(text), `${word} ${text}: a shell in between does not pass signals on`)
  rule(of('CMD').length === 1, 'say once what runs: CMD')
  for (const { text } of of('RUN')) {
    rule(!/\bnpm install\b/.test(text), 'npm install does not keep to the lock file: npm ci')
    rule(!/\bpip install\b(?!.*--no-cache-dir)/.test(text), 'pip leaves its cache in the image')
    rule(!/\bpip install\b(?!.*==)/.test(text), 'pip installs another version every time')
    rule(!/\bcurl\b.*\|\s*(?:ba)?sh\b/.test(text), 'a script from the network is run unseen')
  }
  for (const { text } of of('COPY')) rule(!/^\.\s/.test(text), `COPY ${text}: copies secrets too`)
  return problems
}

/** One for each line; a line that ends in a backslash goes on in the next. */
export function instructionsOf(file: string): readonly Instruction[] {
  return file
    .replaceAll(/\\\n/g, ' ')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const [, word = line, text = ''] = /^(\S+)\s+(.*)$/.exec(line) ?? []
      return { word, text }
    })
}

function isExecForm(text: string): boolean {
  try {
    const words: unknown = JSON.parse(text)
    return Array.isArray(words) && words.every((word) => typeof word === 'string')
  } catch {
    return false
  }
}
