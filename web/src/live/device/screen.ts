// What the display says of itself. Browsers tell little, and honestly less.

export interface ScreenFacts {
  bits: number
  gamut: 'rec2020' | 'p3' | 'srgb' | 'unknown'
  hdr: boolean
}

export function readScreen(media: (query: string) => boolean = (query) => matchMedia(query).matches): ScreenFacts {
  const gamut = (['rec2020', 'p3', 'srgb'] as const).find((one) => media(`(color-gamut: ${one})`)) ?? 'unknown'
  return { bits: bitsPerChannel(screen.colorDepth || 24), gamut, hdr: media('(dynamic-range: high)') }
}

/** Some browsers count an alpha channel or padding in: 32 is three times 8. */
export const bitsPerChannel = (depth: number): number => (depth === 32 ? 8 : Math.floor(depth / 3))

export function screenWords(facts: ScreenFacts): { good: boolean; line: string; fix: string } {
  const gamut = { rec2020: 'Rec. 2020', p3: 'Display P3', srgb: 'sRGB', unknown: 'an unknown gamut' }[facts.gamut]
  const line = `${facts.bits} bits per channel, ${gamut}${facts.hdr ? ', HDR' : ''}`
  if (facts.gamut === 'unknown') return { good: false, line, fix: 'This display shows less than sRGB. Use another one to judge colour.' }
  if (facts.hdr) return { good: true, line, fix: 'The picture is SDR: leave HDR modes of the display off while you judge it.' }
  return { good: true, line, fix: '' }
}
