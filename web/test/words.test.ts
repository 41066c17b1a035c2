import { describe, expect, it } from 'vitest'
import { bitrate, countdown, duration, fps, isolated, list, moment, relative, shortMoment } from '../src/shared/words'

const NOW = new Date(2026, 10, 22, 12, 0, 0).getTime() // a Sunday
const MINUTE = 60_000
const HOUR = 60 * MINUTE
const iso = (offset: number) => new Date(NOW + offset).toISOString()

describe('a name in a sentence', () => {
  it('keeps its own direction and turns nothing after it', () => {
    expect(list(['Maya', 'نور', 'Jonas'])).toBe('Maya, \u2068نور\u2069 and Jonas')
    expect(isolated('סאם 2')).toBe('\u2068סאם 2\u2069')
    // Where nothing turns, nothing is put in.
    expect(['Zoë', '青木', 'Søren', '👩🏽‍🎨'].map(isolated)).toEqual(['Zoë', '青木', 'Søren', '👩🏽‍🎨'])
  })
})

describe('durations', () => {
  it.each([
    [0, '0 s'],
    [9_900, '9 s'],
    [42 * MINUTE, '42 min'],
    [2 * HOUR + 14 * MINUTE, '2 h 14 min'],
    [3 * HOUR, '3 h'],
    [52 * HOUR, '2 d 4 h'],
    [-5, '0 s'],
  ])('%d ms is %s', (ms, words) => expect(duration(ms)).toBe(words))
})

describe('countdown', () => {
  it('counts every second in the last minute and never says zero early', () => {
    expect(countdown(NOW + 59_001, NOW)).toBe('in 60 s')
    expect(countdown(NOW + 400, NOW)).toBe('in 1 s')
    expect(countdown(NOW, NOW)).toBe('now')
  })
  it('rounds minutes up', () => {
    expect(countdown(NOW + 2 * HOUR + 13 * MINUTE + 1, NOW)).toBe('in 2 h 14 min')
    expect(countdown(NOW + 61_000, NOW)).toBe('in 2 min')
  })
})

describe('moments', () => {
  it('speaks of today, tomorrow, weekdays, then dates', () => {
    expect(moment(iso(2 * HOUR), NOW)).toBe('today 14:00')
    expect(moment(iso(24 * HOUR), NOW)).toBe('tomorrow 12:00')
    expect(moment(iso(2 * 24 * HOUR), NOW)).toBe('Tuesday 12:00')
    expect(moment(iso(20 * 24 * HOUR), NOW)).toBe('12 December 12:00')
    expect(moment(iso(60 * 24 * HOUR), NOW)).toBe('21 January 2027 12:00')
  })
  it('is short in rows', () => {
    expect(shortMoment(iso(HOUR), NOW)).toBe('13:00')
    expect(shortMoment(iso(5 * 24 * HOUR), NOW)).toBe('Fri 12:00')
    expect(shortMoment(iso(-4 * 24 * HOUR), NOW)).toBe('18 Nov')
  })
  it('is relative in both directions', () => {
    expect(relative(iso(-4 * MINUTE), NOW)).toBe('4 min ago')
    expect(relative(iso(3 * HOUR), NOW)).toBe('in 3 h')
    expect(relative(iso(-3000), NOW)).toBe('just now')
    expect(relative('nonsense', NOW)).toBe('')
  })
})

describe('figures', () => {
  it('always carries its unit', () => {
    expect(bitrate(8_160_000)).toBe('8.2 Mb/s')
    expect(bitrate(860_000)).toBe('860 kb/s')
    expect(fps(25)).toBe('25 fps')
    expect(fps(23.976)).toBe('23.98 fps')
  })
})
