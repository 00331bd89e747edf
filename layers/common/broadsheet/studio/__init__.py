"""The studio: what authors see in a browser, made from the same services as the API.

``routes`` finds the screen of a request, ``sessions`` who asks, ``forms`` reads what a form sends,
``pages`` fills in the templates, and ``screens`` has a module for each subject.
"""
