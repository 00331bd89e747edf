const all = (selector, within = document) => [...within.querySelectorAll(selector)]
document.documentElement.classList.add('scripted')

const language = document.documentElement.lang
const localize = within => all('time[data-local]', within).forEach(time => {
  time.textContent = new Date(time.dateTime).toLocaleString(language, {dateStyle: 'long', timeStyle: 'short'})
})
localize()

// A time is typed in the author's time zone, and sent in UTC.
for (const at of all('#at')) {
  const sent = Object.assign(document.createElement('input'), {type: 'hidden', name: 'at'})
  const minutes = (time, shift = 0) => new Date(time - shift * 6e4).toISOString().slice(0, 16)
  const date = new Date(at.value + 'Z')
  if (at.value) at.value = minutes(+date, date.getTimezoneOffset())
  at.removeAttribute('name')
  at.after(sent)
  at.oninput = () => { sent.value = at.value && minutes(+new Date(at.value)) }
  at.oninput()
  all('[data-zone]')[0].textContent = Intl.DateTimeFormat().resolvedOptions().timeZone
}

// Follows an issue that moves, for ten minutes, while it is seen.
let [live] = all('[data-live]'), since = Date.now(), next = since + live?.dataset.after * 1e3, asks
const ends = since + 6e5
const follow = live && setInterval(async () => {
  const now = Date.now(), stop = () => {
    clearInterval(follow)
    all('[data-stopped]').forEach(each => { each.hidden = false })
  }
  for (const left of all('[data-left]', live)) {
    const seconds = Math.max(0, left.dataset.left - Math.floor((now - since) / 1e3))
    left.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, 0)}`
  }
  if (now > ends) return stop()
  if (asks || document.hidden || now < next) return
  asks = true
  try {
    const answer = await fetch(live.dataset.live)
    if (!answer.ok) return stop()
    const [part] = all('#progress', new DOMParser().parseFromString(await answer.text(), 'text/html'))
    if (part.dataset.state != live.dataset.state) return location.assign(location.pathname)
    localize(part)
    live.replaceWith(part)
    live = part
    since = now
    if (!part.dataset.live) stop()
  } catch { /* offline: it is asked again */ }
  next = Date.now() + Math.max(2e3, 10 * (Date.now() - now))
  asks = false
}, 500)
