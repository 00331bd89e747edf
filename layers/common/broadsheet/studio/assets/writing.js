// What is typed is previewed, checked and saved; until then this browser keeps it.
const form = document.querySelector('form[data-writing]')
const part = name => form.querySelector(`[data-${name}]`)
const {text, title, version, view} = form.elements
const [state, frame, mirror, check, offer] = ['state', 'frame', 'marks', 'check', 'offer'].map(part)
const saves = 'saves' in form.dataset
const language = document.documentElement.lang
const page = Math.random().toString(36).slice(2)
const drafts = () => `draft:${form.dataset.author}:${form.dataset.issue}:`
const content = typed => JSON.stringify({...typed, key: 0, version: 0})
const fields = () => Object.fromEntries([...new FormData(form)].filter(([name, value]) =>
  typeof value === 'string' && !/^(form_token|view|reader|image_alt|accept|theme)$/.test(name)))
let stored = 'unsaved' in form.dataset ? '' : content(fields())
let marks = {}, previews = 0, typedAt = 0, shown, saving, refused, saveSoon, previewSoon

function say(name, more = '') {
  const time = new Date().toLocaleTimeString(language, {timeStyle: 'short'})
  const sentence = `${state.dataset[name].replace('{time}', time)} ${more}`.trim()
  if (state.textContent !== sentence) state.textContent = sentence
}

const send = (address, body, more) => fetch(address, {
  method: 'POST', body, ...more,
  headers: {accept: 'application/json', 'x-form-token': form.elements.form_token.value}
})

function filled() {
  const sent = new FormData(form)
  sent.delete('image')
  return new URLSearchParams(sent)
}

function keep() {
  try {
    const name = drafts() + page
    if (content(fields()) === stored) return localStorage.removeItem(name)
    localStorage[name] = JSON.stringify({at: Date.now(), typed: fields()})
    sessionStorage.kept = name
  } catch { /* the browser keeps nothing, or has no room */ }
}

// Offers what was kept and never saved.
function look() {
  offer.hidden = true
  for (const name of Object.keys(localStorage)) {
    if (!name.startsWith(drafts()) || name === drafts() + page) continue
    const {at, typed} = JSON.parse(localStorage[name])
    const forget = () => { localStorage.removeItem(name); look() }
    if ([stored, content(fields())].includes(content(typed))) return forget()
    const line = offer.querySelector('p')
    const time = new Date(at).toLocaleString(language, {dateStyle: 'medium', timeStyle: 'short'})
    line.textContent = line.dataset.sentence.replace('{time}', time)
    part('discard').onclick = forget
    part('restore').onclick = () => {
      for (const field of form.elements) {
        if (field.type === 'checkbox') field.checked = field.name in typed
        else if (field.name in typed && field.type !== 'submit') field.value = typed[field.name]
      }
      change()
      forget()
      title.focus()
    }
    offer.hidden = false
    return
  }
}

// Returns true if something is wrong.
async function store(pressed) {
  const typed = fields(), body = filled()
  if (!title.value.trim() || !text.value.trim() || !(saves || pressed)) return pressed || say('local')
  body.set('do', pressed ? 'save' : 'autosave')
  try {
    const keepalive = document.hidden && `${body}`.length < 60000
    const answer = await send(form.action, body, {keepalive})
    const {version: made, address, problem} = await answer.json().catch(() => ({}))
    if (made) {
      localStorage.removeItem(drafts() + page)
      stored = content(typed)
      refused = false
      version.value = made
      form.action = address
      form.dataset.issue = address.split('/').at(-2)
      history.replaceState(null, '', address)
      const links = document.querySelector('[data-links]')
      for (const link of links.children) link.href = link.href.replace('/new', `/${form.dataset.issue}`)
      links.hidden = false
      say('saved')
    } else if (pressed) return true
    else {
      const {status} = answer
      refused = status < 500 && status !== 429 && status
      part('compare').hidden = status !== 412
      say(status === 412 ? 'stale' : [401, 403].includes(status) ? 'out' : 'refused', problem)
    }
  } catch {
    say('offline')
  }
  keep()
}

async function save(pressed) {
  clearTimeout(saveSoon)
  await saving
  if (!pressed) {
    if (refused || content(fields()) === stored) return
    // A new issue's address follows from its title.
    if (!version.value && document.activeElement === title) return
  }
  saving = store(pressed)
  const wrong = await saving
  // Whoever types no more for ten minutes has left: their text stays in this browser.
  const isLeft = Date.now() - typedAt > 6e5
  if (saves && !refused && !isLeft && content(fields()) !== stored) saveSoon = setTimeout(save, 3e4)
  return wrong
}

function draw() {
  mirror.replaceChildren(...text.value.split('\n').map((line, index) => {
    const row = document.createElement('div')
    row.textContent = line
    if (index + 1 in marks) row.className = marks[index + 1] ? 'error' : 'warning'
    return row
  }))
}

const post = () => shown && frame.contentWindow.postMessage({mail: shown}, '*')

async function preview() {
  const mine = ++previews, address = frame.dataset.frame
  const source = address + (view.value === 'no-images' ? '?view=no-images' : '')
  const answer = await send(address, filled()).catch(() => ({}))
  if (!answer.ok || mine !== previews) return
  const found = await answer.json()
  shown = found.html
  marks = found.marks
  check.innerHTML = found.check
  draw()
  if (frame.getAttribute('src') === source) post()
  else frame.src = source
}

function change() {
  // Another text may be taken, but not of somebody else's version or without a session.
  if (![401, 403, 412].includes(refused)) refused = false
  typedAt = Date.now()
  keep()
  draw()
  clearTimeout(previewSoon)
  clearTimeout(saveSoon)
  previewSoon = setTimeout(preview, 600)
  saveSoon = setTimeout(save, 3000)
}

async function add(image) {
  say('image')
  const body = new FormData()
  body.set('image', image)
  const answer = await send(form.dataset.images, body).then(each => each.json()).catch(() => ({}))
  if (!answer.url) return say('unstored', answer.problem)
  const isHtml = form.elements.written_as.value === 'html'
  const [before, after] = isHtml ? ['<img alt="', `" src="${answer.url}">`] : ['![', `](${answer.url})`]
  const caret = text.selectionEnd + before.length
  text.setRangeText(before + after, text.selectionEnd, text.selectionEnd)
  text.focus()
  text.setSelectionRange(caret, caret)
  say('imaged')
  change()
}

async function take(event, files) {
  const images = [...files].filter(file => file.type.startsWith('image/'))
  if (images.length) event.preventDefault()
  for (const image of images) await add(image)
}
// The newsletter says what is wrong with a file that is no image.
async function chosen(event) {
  for (const file of event.target.files) await add(file)
  event.target.value = ''
}
text.addEventListener('paste', event => take(event, event.clipboardData.files))
text.addEventListener('drop', event => take(event, event.dataTransfer.files))
form.elements.image.addEventListener('change', chosen)

form.addEventListener('input', change)
form.addEventListener('submit', async event => {
  const button = event.submitter
  if (button.value !== 'save' || button === part('compare') || form.dataset.goes) return
  event.preventDefault()
  if (await save(true)) {
    form.dataset.goes = true
    form.requestSubmit(button)
  }
})
check.addEventListener('click', event => {
  const line = event.target.dataset.line
  if (!line || event.target.hash !== '#text') return
  event.preventDefault()
  const lines = text.value.split('\n'), start = lines.slice(0, line - 1).join('\n').length + (line > 1)
  text.focus()
  text.setSelectionRange(start, start + lines[line - 1].length)
  mirror.children[line - 1].scrollIntoView({block: 'center'})
})
frame.addEventListener('load', post)
addEventListener('online', () => save())
addEventListener('pagehide', keep)
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) return
  keep()
  save()
})
part('scripted').hidden = false
if (location.search.includes('said=saved')) {
  localStorage.removeItem(sessionStorage.kept)
  sessionStorage.removeItem('kept')
  history.replaceState(null, '', location.pathname)
}
keep()
look()
draw()
preview()
