"""The names that columns have in files of many origins and languages."""

EMAIL = (
    "email", "e-mail", "email address", "e-mail address", "emailaddress", "subscriber email",
    "e-mail-adresse", "email-adresse", "emailadresse", "mailadresse", "deine e-mail adresse",
    "adresse e-mail", "adresse email", "courriel", "correo electrónico", "correo",
    "e-mailadres", "endereço de e-mail", "e-postadress", "adres e-mail", "indirizzo email",
    "mail",
)  # fmt: skip
FIRST_NAME = (
    "first name", "firstname", "fname", "given name", "vorname", "prénom", "prenom", "nombre",
    "voornaam", "förnamn", "imię",
)  # fmt: skip
LAST_NAME = (
    "last name", "lastname", "lname", "surname", "family name", "nachname", "nom de famille",
    "apellido", "apellidos", "cognome", "achternaam", "efternamn", "nazwisko",
)  # fmt: skip
NAME = ("name", "full name", "fullname", "display name", "subscriber name", "vollständiger name")
LANGUAGE = ("language", "lang", "locale", "preferred language", "sprache", "langue", "idioma")
TAGS = ("tags", "tag", "labels", "label")
